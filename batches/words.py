"""Words that a person writes instead of a number or an address."""

RANDOM = "random"  # a seed that is drawn
LOCAL = "local"  # Ray's own word for a cluster that it starts on this computer
