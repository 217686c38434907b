"""The goldens in the notebooks are those of profile smoke, whoever calls nbval."""

import os

os.environ["TINYREC_PROFILE"] = "smoke"
