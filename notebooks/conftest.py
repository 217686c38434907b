"""nbval runs the sources at profile smoke, whoever calls it, and a broken claim is an error."""

import os

os.environ["TINYREC_PROFILE"] = "smoke"
os.environ["TINYREC_STRICT"] = "1"
