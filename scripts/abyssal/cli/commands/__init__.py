"""One module a subcommand; each has ``register(subparsers)``, which sets ``run`` as the parser's default.

Modules import nothing heavy at the top: ``abyssal --help`` starts in a fraction of a second.
"""
