"""What machines offer, and what is chosen for it: number format, ranks, GPUs.

`cpu` counts the cores that a process may use, `precision` measures matrix products, `node` describes one
machine, `choice` resolves the fields of a configuration that say `auto`.
"""
