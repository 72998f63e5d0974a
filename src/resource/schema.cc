#include <fmt/format.h>

#include <string>

#include "shape.h"
#include "stint/codec/json.h"

// The JSON Schema (2020-12) of the tables, printed for people to read and diff.
namespace stint::resource {
namespace {

std::string text(std::string_view s) { return json::write(json::Value(json::String(s))); }

class Printer {
 public:
  void open(std::string_view key, char bracket) {
    item(key);
    out_ += bracket;
    ++depth_;
    first_ = true;
  }
  void close(char bracket) {
    --depth_;
    if (!first_) line();
    out_ += bracket;
    first_ = false;
  }
  void put(std::string_view key, std::string_view value) {
    item(key);
    out_ += value;
  }
  std::string take() { return std::move(out_) + '\n'; }

 private:
  void line() { out_ += '\n' + std::string(depth_ * 2, ' '); }
  void item(std::string_view key) {
    if (depth_ > 0) {
      if (!first_) out_ += ',';
      line();
    }
    first_ = false;
    if (!key.empty()) out_ += text(key) + ": ";
  }
  std::string out_;
  std::size_t depth_ = 0;
  bool first_ = true;
};

void print_shape(Printer& p, std::string_view key, const Shape& shape);

void print_field(Printer& p, const Field& f) {
  p.open(f.name, '{');
  p.put("description", text(f.doc));
  switch (f.type) {
    case Type::kText:
      p.put("type", text("string"));
      break;
    case Type::kInt:
      p.put("type", text("integer"));
      p.put("minimum", std::to_string(f.least));
      p.put("maximum", std::to_string(f.most));
      break;
    case Type::kBool:
      p.put("type", text("boolean"));
      break;
    case Type::kDuration:
      p.put("type", text("string"));
      p.put("pattern", text("^[0-9]+[smhd]$"));
      break;
    case Type::kSize:
      p.put("type", R"(["integer", "string"])");
      p.put("pattern", text("^[0-9]+([KMGT]iB)?$"));
      break;
    case Type::kChoice: {
      std::string list;
      for (const std::string_view c : f.choices) list += (list.empty() ? "" : ", ") + text(c);
      p.put("enum", "[" + list + "]");
      break;
    }
    case Type::kTexts:
      p.put("type", text("array"));
      p.put("items", R"({"type": "string"})");
      break;
    case Type::kMap:
      break;  // see print_member
    case Type::kMaps:
      p.put("type", text("array"));
      break;
    case Type::kObject:
      p.put("type", text("object"));
      break;
  }
  if (f.type == Type::kMaps) print_shape(p, "items", *f.shape);
  p.close('}');
}

// A map within a map is printed where it stands: names of two places may be the same.
void print_member(Printer& p, const Field& f) {
  if (f.type == Type::kMap)
    print_shape(p, f.name, *f.shape);
  else
    print_field(p, f);
}

void print_shape(Printer& p, std::string_view key, const Shape& shape) {
  p.open(key, '{');
  p.put("description", text(shape.doc));
  p.put("type", text("object"));
  p.put("additionalProperties", "false");
  std::string required;
  for (const Field& f : shape.fields)
    if (f.required) required += (required.empty() ? "" : ", ") + text(f.name);
  if (!required.empty()) p.put("required", "[" + required + "]");
  p.open("properties", '{');
  for (const Field& f : shape.fields) print_member(p, f);
  p.close('}');
  p.close('}');
}

}  // namespace

std::string schema_text() {
  Printer p;
  p.open("", '{');
  p.put("$schema", text("https://json-schema.org/draft/2020-12/schema"));
  p.put("$id", text("urn:stint:schema:stint"));
  p.put("title", text("Stint resources and configuration"));
  p.open("anyOf", '[');
  for (const Shape* s : resource_shapes())
    p.put("", fmt::format(R"({{"$ref": "#/$defs/{}"}})", s->name));
  p.put("", fmt::format(R"({{"$ref": "#/$defs/{}"}})", config_shape().name));
  p.close(']');
  p.open("$defs", '{');
  for (const Shape* s : resource_shapes()) print_shape(p, s->name, *s);
  print_shape(p, config_shape().name, config_shape());
  p.close('}');
  p.close('}');
  return p.take();
}

}  // namespace stint::resource
