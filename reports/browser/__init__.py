"""Chromium-based tools that look at the page: screenshots and Lighthouse."""
