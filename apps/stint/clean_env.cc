#include "clean_env.h"

#include <algorithm>
#include <array>
#include <set>

#include "stint/codec/secret_text.h"

namespace stint::cli {
namespace {

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  return out;
}

// Names that everybody needs and that may hold such words.
bool harmless_name(std::string_view name) {
  static constexpr std::array<std::string_view, 19> kKeep{
      "PATH",    "HOME",     "LANG",    "LANGUAGE", "TERM",   "TZ",        "USER",
      "LOGNAME", "SHELL",    "PWD",     "OLDPWD",   "TMPDIR", "COLORTERM", "EDITOR",
      "PAGER",   "HOSTNAME", "DISPLAY", "SHLVL",    "_"};
  return std::ranges::find(kKeep, name) != kKeep.end() || name.starts_with("LC_") ||
         name.starts_with("XDG_");
}

bool secret_name(const std::string& name) {
  // Whole words between underscores: TOKENIZERS_PARALLELISM and KEYBOARD are none.
  static const std::set<std::string, std::less<>> kWords{
      "TOKEN",      "TOKENS",     "SECRET", "SECRETS", "PASSWORD",    "PASSWD", "PASS",
      "PASSPHRASE", "CREDENTIAL", "PAT",    "APIKEY",  "CREDENTIALS", "BEARER", "COOKIE",
      "SESSION",    "PRIVATE",    "AUTH",   "DSN",     "PWD",         "KEY"};
  std::size_t at = 0;
  while (at <= name.size()) {
    const std::size_t end = std::min(name.find('_', at), name.size());
    std::string word = name.substr(at, end - at);
    while (!word.empty() && word.back() >= '0' && word.back() <= '9') word.pop_back();
    if (kWords.contains(word)) return true;
    at = end + 1;
  }
  for (const std::string_view tail : {"TOKEN", "SECRET", "PASSWORD", "APIKEY", "CREDENTIALS"})
    if (name.ends_with(tail)) return true;
  return name == "SSH_AUTH_SOCK" || name == "DATABASE_URL" || name == "KUBECONFIG";
}

bool run_of(std::string_view text, std::size_t least, auto&& good) {
  return text.size() >= least && std::ranges::all_of(text, good);
}

bool base64_char(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '+' || c == '/' || c == '=';
}

bool jwt(std::string_view v) {
  return v.starts_with("eyJ") && std::ranges::count(v, '.') >= 2 &&
         run_of(v, 32, [](char c) { return base64_char(c) || c == '.'; });
}

bool url_with_password(std::string_view v) {
  const auto scheme = v.find("://");
  if (scheme == std::string_view::npos) return false;
  const auto authority = v.substr(scheme + 3, v.find('/', scheme + 3) - scheme - 3);
  const auto at = authority.rfind('@');
  return at != std::string_view::npos &&
         authority.substr(0, at).find(':') != std::string_view::npos;
}

bool secret_shape(std::string_view v) {
  static constexpr std::array<std::string_view, 19> kPrefixes{
      "ghp_",  "gho_",     "ghu_",  "ghs_",  "ghr_",   "github_pat_", "glpat-",
      "sk-",   "sk_live_", "xoxb-", "xoxp-", "AKIA",   "ASIA",        "AIza",
      "ya29.", "npm_",     "pypi-", "hvs.",  "dop_v1_"};
  if (codec::secret_kind(v)) return true;
  if (v.size() >= 16 &&
      std::ranges::any_of(kPrefixes, [&](std::string_view p) { return v.starts_with(p); }))
    return true;
  return jwt(v) || url_with_password(v) || v.find("PRIVATE KEY-----") != std::string_view::npos;
}

bool ours(std::string_view name) {
  return name == "STINT_ID_TOKEN_FILE" || name == "STINT_AGENT_KEY_FILE" || name == "STINT_HOME" ||
         name == "STINT_TOKEN" || name == "STINT_CONFIG" || name == "STINT_ADDR" ||
         name == "STINT_CACERT" || name.starts_with("STINT_URL_") || name == "STINT_TASK";
}

}  // namespace

bool looks_secret(std::string_view name, std::string_view value) {
  if (value.empty()) return false;
  if (secret_shape(value)) return true;
  return !harmless_name(name) && secret_name(upper(name));
}

ChildEnvironment child_environment(const std::vector<std::string>& inherited,
                                   const std::vector<std::string>& added, bool clean) {
  std::set<std::string, std::less<>> replaced;
  for (const std::string& a : added) replaced.insert(a.substr(0, a.find('=')));
  ChildEnvironment out;
  for (const std::string& pair : inherited) {
    const auto eq = pair.find('=');
    if (eq == std::string::npos || eq == 0) continue;
    const std::string name = pair.substr(0, eq);
    if (ours(name) || replaced.contains(name)) continue;
    if (looks_secret(name, std::string_view(pair).substr(eq + 1))) {
      out.secrets.push_back(name);
      if (clean) continue;
    }
    out.variables.push_back(pair);
  }
  out.variables.insert(out.variables.end(), added.begin(), added.end());
  std::ranges::sort(out.secrets);
  return out;
}

}  // namespace stint::cli
