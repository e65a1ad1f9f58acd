// Find cells with NAME.detector.onnx and ONNX Runtime's C++ API, without Python.
//
//   detect nuclei.detector.onnx field.pgm
//
// Prints a line for each cell: x0 y0 x1 y1 score class, and the area of its mask in pixels. The image is a grey PGM (P5) of
// 8 or 16 bits, at a scale at which cells have the diameter in the model's card. README.md has the command that compiles it.

#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

struct Image {
  int64_t height, width;
  std::vector<float> pixels;
};

// A binary PGM; comments are not supported.
Image read_pgm(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string kind;
  Image image{};
  int most = 0;
  if (!(file >> kind >> image.width >> image.height >> most) || kind != "P5" || image.width < 1 || image.height < 1)
    throw std::runtime_error(path + " is not a binary PGM (P5). Convert the image first.");
  file.get();  // the white space after the header
  const size_t bytes = most > 255 ? 2 : 1;
  std::vector<unsigned char> raw(image.height * image.width * bytes);
  if (!file.read(reinterpret_cast<char*>(raw.data()), static_cast<std::streamsize>(raw.size())))
    throw std::runtime_error(path + " is truncated. Copy it again.");
  for (size_t i = 0; i < raw.size(); i += bytes)
    image.pixels.push_back(bytes == 2 ? 256.0f * raw[i] + raw[i + 1] : raw[i]);
  return image;
}

// Pixels of the image in which the mask, which covers the box, is at least 0.5.
int64_t area(const float* mask, int64_t side, const float* box, const Image& image) {
  const auto x0 = std::lround(box[0]), y0 = std::lround(box[1]), x1 = std::lround(box[2]), y1 = std::lround(box[3]);
  int64_t count = 0;
  for (int64_t y = std::max(y0, 0L); y < std::min<int64_t>(y1, image.height); ++y)
    for (int64_t x = std::max(x0, 0L); x < std::min<int64_t>(x1, image.width); ++x)
      count += mask[(y - y0) * side / (y1 - y0) * side + (x - x0) * side / (x1 - x0)] >= 0.5f;
  return count;
}

int run(const std::string& model, const std::string& file) {
  const Image image = read_pgm(file);
  Ort::Env env(ORT_LOGGING_LEVEL_ERROR, "detect");
  Ort::Session session(env, model.c_str(), Ort::SessionOptions{});

  // One image, whose grey values are repeated for each channel of the model.
  std::vector<int64_t> shape = session.GetInputTypeInfo(0).GetTensorTypeAndShapeInfo().GetShape();
  shape = {1, shape.at(1), image.height, image.width};
  std::vector<float> values;
  for (int64_t channel = 0; channel < shape[1]; ++channel)
    values.insert(values.end(), image.pixels.begin(), image.pixels.end());
  const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  auto input = Ort::Value::CreateTensor<float>(memory, values.data(), values.size(), shape.data(), shape.size());

  const std::array<const char*, 1> inputs{"image"};  // score, nms and max_detections are optional
  const std::array<const char*, 4> outputs{"boxes", "scores", "classes", "masks"};
  const auto found = session.Run(Ort::RunOptions{}, inputs.data(), &input, 1, outputs.data(), outputs.size());
  const auto* boxes = found[0].GetTensorData<float>();
  const auto* scores = found[1].GetTensorData<float>();
  const auto* classes = found[2].GetTensorData<int64_t>();
  const auto* masks = found[3].GetTensorData<float>();
  const auto sizes = found[3].GetTensorTypeAndShapeInfo().GetShape();  // (cells, side, side)
  for (int64_t n = 0; n < sizes[0]; ++n) {
    const float* box = boxes + 4 * n;
    std::printf("%.3f %.3f %.3f %.3f %.5f %lld %lld\n", box[0], box[1], box[2], box[3], scores[n],
                static_cast<long long>(classes[n]),
                static_cast<long long>(area(masks + n * sizes[1] * sizes[2], sizes[1], box, image)));
  }
  return 0;
}

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "Usage: detect NAME.detector.onnx field.pgm\n";
    return 2;
  }
  try {
    return run(argv[1], argv[2]);
  } catch (const std::exception& error) {
    std::cerr << "Error: " << error.what() << "\n";
    return 2;
  }
}
