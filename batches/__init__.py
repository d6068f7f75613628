"""Many items through one workflow: what is to be done, who does it, what was done."""
