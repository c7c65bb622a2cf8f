"""The PSNR gate: new results held against accepted ones."""
