"""Large kernels on a GPU: the fused kernels, torch.fft and others, single layers and whole nets."""
