// stint completion, stint man: said by the same tables that the command line is read with.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>

#include "context.h"

namespace stint::cli {
namespace {

std::vector<CLI::App*> children(CLI::App& app) {
  return app.get_subcommands([](CLI::App*) { return true; });
}

std::vector<std::string> flags(CLI::App& app) {
  std::vector<std::string> out;
  for (const CLI::Option* o : app.get_options())
    for (const std::string& name : o->get_lnames()) out.push_back("--" + name);
  return out;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& w : words) out += (out.empty() ? "" : " ") + w;
  return out;
}

// What may follow a path of verbs: "task list" -> its flags, "task" -> its verbs and flags.
void collect(CLI::App& app, const std::string& path,
             std::vector<std::pair<std::string, std::string>>& out) {
  std::vector<std::string> words;
  for (CLI::App* c : children(app)) words.push_back(c->get_name());
  for (const std::string& f : flags(app)) words.push_back(f);
  out.emplace_back(path, joined(words));
  for (CLI::App* c : children(app))
    collect(*c, path.empty() ? c->get_name() : path + " " + c->get_name(), out);
}

std::string bash(CLI::App& app, bool zsh) {
  std::vector<std::pair<std::string, std::string>> words;
  collect(app, "", words);
  std::string out = zsh ? "#compdef stint\nautoload -U +X bashcompinit && bashcompinit\n" : "";
  out +=
      "_stint() {\n  local at= i\n  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    case ${COMP_WORDS[i]} in\n      --) COMPREPLY=(); return ;;\n      -*) ;;\n"
      "      *) [ -n \"$at\" ] && at+=' '; at+=${COMP_WORDS[i]} ;;\n    esac\n  done\n"
      "  local words=\n  while :; do\n    case $at in\n";
  for (const auto& [path, list] : words)
    out += fmt::format("      '{}') words='{}'; break ;;\n", path, list);
  out +=
      "      *' '*) at=${at% *} ;;\n      *) break ;;\n    esac\n  done\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\n"
      "complete -o default -F _stint stint\n";
  return out;
}

std::string quoted(std::string text) {
  for (std::size_t at = 0; (at = text.find('\'', at)) != std::string::npos; at += 2)
    text.insert(at, 1, '\\');
  return "'" + text + "'";
}

void fish_of(CLI::App& app, const std::vector<std::string>& path, std::string& out) {
  std::string when = path.empty() ? "__fish_use_subcommand" : "";
  for (const std::string& p : path)
    when += (when.empty() ? "" : "; and ") + std::string("__fish_seen_subcommand_from ") + p;
  for (CLI::App* c : children(app))
    out += fmt::format("complete -c stint -n {} -f -a {} -d {}\n", quoted(when),
                       quoted(c->get_name()), quoted(c->get_description()));
  for (const CLI::Option* o : app.get_options())
    for (const std::string& name : o->get_lnames())
      out += fmt::format("complete -c stint -n {} -l {} -d {}\n",
                         quoted(path.empty() ? "true" : when), name, quoted(o->get_description()));
  for (CLI::App* c : children(app)) {
    auto below = path;
    below.push_back(c->get_name());
    fish_of(*c, below, out);
  }
}

// roff: a line must not begin with a dot or quote, backslashes and hyphens mean something.
std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
  }
  if (out.starts_with('.') || out.starts_with('\'')) out.insert(0, "\\&");
  return out;
}

void man_of(CLI::App& app, const std::string& path, std::string& out) {
  out += fmt::format(".SS {}\n{}\n", roff(path), roff(app.get_description()));
  for (const CLI::Option* o : app.get_options()) {
    out += fmt::format(".TP\n\\fB{}\\fR\n{}\n", roff(o->get_name(true)),
                       o->get_description().empty() ? "\\&" : roff(o->get_description()));
  }
  for (CLI::App* c : children(app)) man_of(*c, path + " " + c->get_name(), out);
}

std::string man(CLI::App& app) {
  std::string out = fmt::format(
      ".TH STINT 1 \"\" \"stint {}\"\n.SH NAME\nstint \\- bounded tasks for agents\n"
      ".SH SYNOPSIS\n.B stint\nVERB [OPTIONS]\n.SH DESCRIPTION\n{}\n.SH VERBS\n",
      kVersion, roff(app.get_description()));
  for (CLI::App* c : children(app)) man_of(*c, "stint " + c->get_name(), out);
  out +=
      ".SH EXIT STATUS\n0 done; 1 refused or failed; 2 wrong usage; 75 try again.\n"
      "stint run gives the status of its command, or 128 and the signal that ended it.\n"
      ".SH ENVIRONMENT\nSTINT_HOME, STINT_ADDR, STINT_CACERT, STINT_CONFIG,\n"
      "STINT_ID_TOKEN_FILE, STINT_AGENT, STINT_AGENT_KEY_FILE, and every configuration key as\n"
      "STINT_SECTION__KEY.\n";
  return out;
}

}  // namespace

void add_documents(CLI::App& app, Context& ctx) {
  auto shell = std::make_shared<std::string>();
  auto as_json = std::make_shared<bool>(false);
  const auto give = [as_json, &ctx](std::string_view what, const std::string& text) {
    if (*as_json)
      ctx.io.json(boost::json::object{{what, text}});
    else
      ctx.io.data(text);
  };
  auto* completion =
      app.add_subcommand("completion", "Completion for bash, zsh or fish, on stdout");
  completion->add_option("SHELL", *shell)
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  completion->add_flag("--json", *as_json, "The script as a member of an object");
  completion->callback([&app, shell, give] {
    std::string out;
    if (*shell == "fish")
      fish_of(app, {}, out);
    else
      out = bash(app, *shell == "zsh");
    give("completion", out);
  });
  auto* page = app.add_subcommand("man", "The manual page, as roff on stdout");
  page->add_flag("--json", *as_json, "The page as a member of an object");
  page->callback([&app, give] { give("man", man(app)); });
}

}  // namespace stint::cli
