# The command line. For the CPU:          docker build -t napari-centermask .
# For an NVIDIA GPU (not tried by us):     docker build --build-arg EXTRAS=formats,figures,gpu -t napari-centermask:gpu .
# Run it on the present folder:            docker run --rm -v "$PWD:/data" napari-centermask segment image.tif
# With a GPU:                              docker run --rm --gpus all -v "$PWD:/data" napari-centermask:gpu segment image.tif
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
RUN pip install --no-cache-dir build
COPY . .
RUN python -m build --wheel

FROM python:3.11-slim-bookworm
ARG EXTRAS=formats,figures,onnx
COPY constraints.txt /tmp/constraints.txt
COPY --from=build /src/dist/*.whl /tmp/
# The pinned onnxruntime is that of the CPU; the GPU's package has other versions.
RUN pip install --no-cache-dir -c /tmp/constraints.txt "$(ls /tmp/*.whl)[$EXTRAS]" && rm /tmp/*.whl
WORKDIR /data
ENTRYPOINT ["napari-centermask"]
