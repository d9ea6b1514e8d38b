"""What the compiler makes of the fused kernels, for GPUs that need not be there."""
