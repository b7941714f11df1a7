"""Runs all benchmarks and prints one table; exits with 1 if a limit is missed."""

from __future__ import annotations

import sys

import browser
import catalogue
import client
import columns
import first_token
import full_speed
import grid
import interrupt
import load
import paced
import store
from figures import main

if __name__ == "__main__":
    modules = (
        load,
        first_token,
        full_speed,
        paced,
        columns,
        interrupt,
        client,
        browser,
        store,
        catalogue,
        grid,
    )
    sys.exit(main(*(module.measure for module in modules)))
