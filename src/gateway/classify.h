#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "stint/authority/directory.h"
#include "stint/domain/approval.h"
#include "stint/domain/grant.h"
#include "stint/http/git.h"
#include "stint/http/message.h"
#include "stint/http/target.h"

namespace stint::gateway {

// One action of a request. A push that updates one ref and deletes another is two, and each must be
// permitted.
struct NamedCall {
  domain::Call call;
  std::map<std::string, std::string> arguments;  // for policies
  std::string words;                             // what is done, for the person who judges
};

struct Asker {  // whom the words are about
  TaskId task{{}};
  std::string purpose, agent, human;
};

// The action of an HTTP request by the upstream's own routes. What no route matches is the action
// "unmatched" without a class. Errors: http::RouteTable::match's but kNotFound.
Result<NamedCall> name_http(const authority::Directory::UpstreamEntry& upstream,
                            const std::string& method, const http::Target& target,
                            const std::optional<std::string>& body, const Asker& asker);

// git: discovery and fetch are one call; a push is one for its updates and one for its deletions.
// `grants` chooses what a discovery of receive-pack counts as: whichever of the two is granted.
std::vector<NamedCall> name_git(const authority::Directory::UpstreamEntry& upstream,
                                const std::string& method, const http::Target& target,
                                const http::GitCall& git, const http::ReceivePackRequest* commands,
                                const std::vector<domain::Grant>& grants, const Asker& asker);

}  // namespace stint::gateway
