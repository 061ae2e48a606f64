"""Metrics that are measured when they are asked for by name: `ganworks eval RUN metrics=swd,ms_ssim`."""
