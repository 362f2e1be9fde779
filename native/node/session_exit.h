#pragma once

#include <memory>

#include "core/session/session.h"

namespace trtn {

// `process.exit()` runs no cleanup hooks: exit handlers come next, and those of TensorRT and of the
// driver pull the ground from under workers that are still running. Closes the session, if it is still
// open then, before that. Call it once the session runs: handlers are called in the reverse order of
// their registration, and those libraries register theirs when they are first used.
void CloseAtExit(const std::shared_ptr<Session>& session);

}  // namespace trtn
