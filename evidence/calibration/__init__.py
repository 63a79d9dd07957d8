"""The evidence behind Z, the limit of the RMS, K_ACT and SAMPLES."""
