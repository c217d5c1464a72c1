"""Settings for tools that only read the code (types, migrations, schema); they never connect anywhere."""

import os

os.environ.setdefault("SECRET_KEY", "no secret: this process signs nothing and serves nobody")
os.environ.setdefault("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
os.environ.setdefault("BROKER_URL", "redis://127.0.0.1:1/0")
os.environ.setdefault("REDIS_URL", "redis://127.0.0.1:1/0")

from config.settings import *  # noqa: F403  the settings read the environment when they are imported
