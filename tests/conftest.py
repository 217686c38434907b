"""Fixtures that execute the notebooks: once in a session, whoever asks."""

import shutil

import execute
import pytest


@pytest.fixture(scope="session")
def smoke_folder():
    """Emptied first, so that what the tests see was executed by these tests."""
    folder = execute.executed_folder("smoke")
    shutil.rmtree(folder, ignore_errors=True)
    return folder
