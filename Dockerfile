# One image for the API, the workers and the command line; its command says which of them it is.

FROM python:3.12-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PIP_ONLY_BINARY=:all:
WORKDIR /src

# What changes seldom comes first: the dependencies, as locked, in an environment that this image's own pip fills,
# and what makes the wheel, which stays behind.
COPY requirements/ requirements/
RUN python -m venv --without-pip /opt/dubq \
    && pip --python /opt/dubq/bin/python install --require-hashes -r requirements/runtime.txt \
    && pip install --require-hashes -r requirements/build.txt

COPY . .
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
    && pip --python /opt/dubq/bin/python install --no-deps --no-index /wheel/*.whl


FROM python:3.12-slim
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin dubq
COPY --from=build /opt/dubq /opt/dubq
# Unbuffered: the log is read as it happens. No bytecode: pip has made it all, and the file system may be read-only.
ENV PATH=/opt/dubq/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /tmp
USER 10001:10001
CMD ["dubq", "--help"]
