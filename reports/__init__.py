"""Printed cells joined with measurements: tables, index and the PSNR gate. Never imports torch."""
