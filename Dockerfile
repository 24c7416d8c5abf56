# The server's image: `msl` and what it needs, as a user without rights.
# Bookworm's Python is the one the tests run on; versions are those of constraints.txt.

FROM python:3.11.14-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /opt/msl
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY contract contract
COPY dashboards dashboards
COPY provisioning provisioning
COPY server server
RUN /opt/msl/bin/pip install --constraint constraints.txt ".[server]"

FROM python:3.11.14-slim-bookworm
RUN groupadd --gid 10001 msl && useradd --uid 10001 --gid msl --no-create-home msl
COPY --from=build /opt/msl /opt/msl
ENV PATH=/opt/msl/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
ENTRYPOINT ["msl"]
CMD ["--help"]
