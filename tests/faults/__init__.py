"""Peers that mean harm, or are broken: whatever they do, it ends, costs little, and disturbs nobody else."""
