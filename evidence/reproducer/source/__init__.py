"""The adapters' own source, reduced to what one case needs: modules → fold → inline → written."""
