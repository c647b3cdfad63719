"""How tests start a headless browser that asks nothing of any network."""

import shutil

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
"""The browser's path, None where there is none."""

FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
"""Arguments of Chromium."""
