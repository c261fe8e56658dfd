"""How the Abyssal encoder's weights are made: corpus, augmentation, losses, loop, measurement."""
