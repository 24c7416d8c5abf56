"""PostgreSQL, TimescaleDB and Mosquitto on one machine without Docker, for demo and tests.

    with LocalStack(Path(".local/demo"), tls=tls, persistent=True) as stack:
        stack.postgres.dsn(), stack.broker.port

By command: `python -m provisioning.localstack up`.
"""

from provisioning.localstack.broker import Broker, BrokerTls
from provisioning.localstack.errors import StackError
from provisioning.localstack.postgres import Postgres
from provisioning.localstack.stack import LocalStack, sweep

__all__ = ["Broker", "BrokerTls", "LocalStack", "Postgres", "StackError", "sweep"]
