include: "workflow/Snakefile"


# An included file cannot set the default target: without this line a bare `snakemake` would do nothing.
workflow.default_target = "all"
