// Build a TensorRT engine from NAME.dense.onnx and run it on one tile, with TensorRT's C++ API.
//
//   tensorrt_dense nuclei.dense.onnx nuclei.dense.engine
//
// The engine takes tiles of 256 to 1024 pixels and is kept in the second file: it fits this GPU and this TensorRT only. The
// precision is that of the graph: TensorRT 11 knows no other way, and 10 is asked for the same.

#include <NvInfer.h>
#include <NvOnnxParser.h>
#include <cuda_runtime_api.h>

#include <cstdint>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace trt = nvinfer1;

class Logger : public trt::ILogger {
  void log(Severity severity, const char* message) noexcept override {
    if (severity <= Severity::kWARNING) std::cerr << message << "\n";
  }
};

void check(cudaError_t error) {
  if (error != cudaSuccess) throw std::runtime_error(cudaGetErrorString(error));
}

// Parse the graph and build an engine for tiles of 256 to 1024 pixels, one to four at a time.
std::unique_ptr<trt::IHostMemory> build(const std::string& graph, Logger& logger) {
  std::unique_ptr<trt::IBuilder> builder(trt::createInferBuilder(logger));
  const auto typed = 1U << static_cast<uint32_t>(trt::NetworkDefinitionCreationFlag::kSTRONGLY_TYPED);
  std::unique_ptr<trt::INetworkDefinition> network(builder->createNetworkV2(typed));
  std::unique_ptr<nvonnxparser::IParser> parser(nvonnxparser::createParser(*network, logger));
  if (!parser->parseFromFile(graph.c_str(), static_cast<int>(trt::ILogger::Severity::kWARNING)))
    throw std::runtime_error(graph + " cannot be parsed. Export the model again.");
  const int channels = static_cast<int>(network->getInput(0)->getDimensions().d[1]);
  trt::IOptimizationProfile* profile = builder->createOptimizationProfile();
  profile->setDimensions("image", trt::OptProfileSelector::kMIN, trt::Dims4{1, channels, 256, 256});
  profile->setDimensions("image", trt::OptProfileSelector::kOPT, trt::Dims4{1, channels, 1024, 1024});
  profile->setDimensions("image", trt::OptProfileSelector::kMAX, trt::Dims4{4, channels, 1024, 1024});
  std::unique_ptr<trt::IBuilderConfig> config(builder->createBuilderConfig());
  config->addOptimizationProfile(profile);
  config->setMemoryPoolLimit(trt::MemoryPoolType::kWORKSPACE, size_t{2} << 30);
  std::unique_ptr<trt::IHostMemory> engine(builder->buildSerializedNetwork(*network, *config));
  if (!engine) throw std::runtime_error("No engine could be built; the messages above say why.");
  return engine;
}

// A buffer on the GPU.
class Buffer {
 public:
  explicit Buffer(size_t bytes) { check(cudaMalloc(&pointer_, bytes)); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { cudaFree(pointer_); }
  void* get() const { return pointer_; }

 private:
  void* pointer_ = nullptr;
};

size_t count(const trt::Dims& shape) {
  size_t n = 1;
  for (int i = 0; i < shape.nbDims; ++i) n *= static_cast<size_t>(shape.d[i]);
  return n;
}

int run(const std::string& graph, const std::string& file) {
  Logger logger;
  const auto plan = build(graph, logger);
  std::ofstream(file, std::ios::binary).write(static_cast<const char*>(plan->data()), static_cast<std::streamsize>(plan->size()));

  std::unique_ptr<trt::IRuntime> runtime(trt::createInferRuntime(logger));
  std::unique_ptr<trt::ICudaEngine> engine(runtime->deserializeCudaEngine(plan->data(), plan->size()));
  std::unique_ptr<trt::IExecutionContext> context(engine->createExecutionContext());
  const auto channels = engine->getTensorShape("image").d[1];
  context->setInputShape("image", trt::Dims4{1, channels, 512, 512});

  // A normalised tile goes here: intensities from 0 to 1, minus the card's mean, divided by its standard deviation.
  std::vector<float> tile(static_cast<size_t>(channels) * 512 * 512, 0.0f);
  std::vector<std::unique_ptr<Buffer>> buffers;
  for (int i = 0; i < engine->getNbIOTensors(); ++i) {
    const char* name = engine->getIOTensorName(i);
    buffers.push_back(std::make_unique<Buffer>(count(context->getTensorShape(name)) * sizeof(float)));
    context->setTensorAddress(name, buffers.back()->get());
    if (engine->getTensorIOMode(name) == trt::TensorIOMode::kINPUT)
      check(cudaMemcpy(buffers.back()->get(), tile.data(), tile.size() * sizeof(float), cudaMemcpyHostToDevice));
  }
  cudaStream_t stream{};
  check(cudaStreamCreate(&stream));
  if (!context->enqueueV3(stream)) throw std::runtime_error("The engine does not run; the messages above say why.");
  check(cudaStreamSynchronize(stream));
  check(cudaStreamDestroy(stream));

  for (int i = 0; i < engine->getNbIOTensors(); ++i) {
    const char* name = engine->getIOTensorName(i);
    if (engine->getTensorIOMode(name) == trt::TensorIOMode::kOUTPUT)
      std::cout << name << " has " << count(context->getTensorShape(name)) << " values\n";
  }
  return 0;
}

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "Usage: tensorrt_dense NAME.dense.onnx NAME.dense.engine\n";
    return 2;
  }
  try {
    return run(argv[1], argv[2]);
  } catch (const std::exception& error) {
    std::cerr << "Error: " << error.what() << "\n";
    return 2;
  }
}
