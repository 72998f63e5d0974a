#include "stint/http/route.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "template.h"

namespace stint::http {
namespace {

using route::Segment;
using route::Template;

// A tree over segments. `ends` are the templates whose path stops here, `rests` those whose rest
// begins here.
struct Node {
  std::map<std::string, std::size_t, std::less<>> literals;
  std::size_t parameter = 0;  // 0, the root, is nobody's child: none
  std::vector<std::size_t> ends, rests;
};

}  // namespace

struct RouteTable::Impl {
  std::vector<Template> templates;
  std::vector<std::size_t> rank;  // of each template: a more specific one has a smaller rank
  std::vector<Node> nodes{1};

  void insert(std::size_t index) {
    std::size_t at = 0;
    for (const Segment& s : templates[index].path) {
      if (s.kind == Segment::Kind::kRest) {
        nodes[at].rests.push_back(index);
        return;
      }
      std::size_t next = s.kind == Segment::Kind::kParameter ? nodes[at].parameter : 0;
      if (s.kind == Segment::Kind::kLiteral)
        if (const auto it = nodes[at].literals.find(s.text); it != nodes[at].literals.end())
          next = it->second;
      if (next == 0) {
        next = nodes.size();
        nodes.emplace_back();
        if (s.kind == Segment::Kind::kParameter)
          nodes[at].parameter = next;
        else
          nodes[at].literals.emplace(s.text, next);
      }
      at = next;
    }
    nodes[at].ends.push_back(index);
  }

  // Templates whose path and method match. Each node has one parent, so none is visited twice;
  // depth is bounded by the longest template.
  void collect(std::size_t at, std::size_t depth, std::string_view method, const Target& target,
               std::vector<std::size_t>& out) const {
    const Node& node = nodes[at];
    const auto take = [&](const std::vector<std::size_t>& indices) {
      for (const std::size_t i : indices)
        if (templates[i].takes_method(method)) out.push_back(i);
    };
    if (depth == target.segments.size()) return take(node.ends);
    take(node.rests);
    const std::string& text = target.segments[depth];
    if (const auto it = node.literals.find(text); it != node.literals.end())
      collect(it->second, depth + 1, method, target, out);
    if (node.parameter != 0 && !text.empty())
      collect(node.parameter, depth + 1, method, target, out);
  }

  // Drops candidates whose conditions do not hold.
  Status filter(std::string_view query, std::vector<std::size_t>& candidates) const {
    const auto conditional = [&](std::size_t i) { return !templates[i].conditions.empty(); };
    if (std::ranges::none_of(candidates, conditional)) return {};
    // Some servers cut at ';' too, and each server takes another one of two equal names.
    if (query.find(';') != std::string_view::npos)
      return fail(Errc::kMalformed, "query separator in doubt");
    const auto parameters = STINT_TRY(parse_query(query));
    for (const std::size_t i : candidates)
      for (const QueryParameter& c : templates[i].conditions)
        if (std::ranges::count(parameters, c.name, &QueryParameter::name) > 1)
          return fail(Errc::kMalformed, "query parameter repeated");
    std::erase_if(candidates, [&](std::size_t i) {
      return !std::ranges::all_of(templates[i].conditions, [&](const QueryParameter& c) {
        return std::ranges::find(parameters, c) != parameters.end();
      });
    });
    return {};
  }

  std::vector<std::pair<std::string, std::string>> parameters(std::size_t index,
                                                              const Target& target) const {
    std::vector<std::pair<std::string, std::string>> out;
    const auto& path = templates[index].path;
    for (std::size_t i = 0; i < path.size(); ++i) {
      if (path[i].kind == Segment::Kind::kLiteral) continue;
      std::string value = target.segments[i];
      if (path[i].kind == Segment::Kind::kRest)
        for (std::size_t k = i + 1; k < target.segments.size(); ++k)
          value += '/' + target.segments[k];
      out.emplace_back(path[i].text, std::move(value));
    }
    return out;
  }
};

Status check_route(std::string_view text) {
  auto parsed = route::parse(text);
  if (!parsed) return fail(parsed.error());
  return {};
}

RouteTable::RouteTable() : impl_(std::make_shared<const Impl>()) {}

std::expected<RouteTable, RouteProblem> RouteTable::compile(
    std::span<const std::string> templates) {
  using std::unexpected;
  if (templates.size() > kMaxRoutes)
    return unexpected(RouteProblem{{Errc::kLimit, "too many routes"}, 0, 0});
  auto impl = std::make_shared<Impl>();
  for (std::size_t i = 0; i < templates.size(); ++i) {
    auto parsed = route::parse(templates[i]);
    if (!parsed) return unexpected(RouteProblem{parsed.error(), i, i});
    impl->templates.push_back(*std::move(parsed));
    impl->insert(i);
  }
  // Templates that match one request form a chain, since all others were refused; so the number of
  // templates around one orders any of them.
  std::vector<std::size_t> wider(templates.size());
  for (std::size_t i = 0; i < templates.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) {
      const Template &a = impl->templates[i], &b = impl->templates[k];
      if (!route::overlap(a, b)) continue;
      const bool in = route::within(a, b), out = route::within(b, a);
      if (in && out) return unexpected(RouteProblem{{Errc::kConflict, "route repeated"}, i, k});
      if (!in && !out) return unexpected(RouteProblem{{Errc::kConflict, "route ambiguous"}, i, k});
      ++wider[in ? i : k];
    }
  }
  std::vector<std::size_t> order(templates.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
    return wider[a] != wider[b] ? wider[a] > wider[b] : a < b;
  });
  impl->rank.resize(templates.size());
  for (std::size_t r = 0; r < order.size(); ++r) impl->rank[order[r]] = r;
  return RouteTable(std::move(impl));
}

Result<RouteMatch> RouteTable::match(std::string_view method, const Target& target) const {
  std::vector<std::size_t> candidates;
  impl_->collect(0, 0, method, target, candidates);
  if (const auto ok = impl_->filter(target.query, candidates); !ok) return fail(ok.error());
  if (candidates.empty()) return fail(Errc::kNotFound, "no route");
  const std::size_t best =
      *std::ranges::min_element(candidates, {}, [&](std::size_t i) { return impl_->rank[i]; });
  return RouteMatch{best, impl_->parameters(best, target)};
}

std::size_t RouteTable::size() const { return impl_->templates.size(); }

}  // namespace stint::http
