#include "node/session_object.h"

#include <system_error>
#include <utility>
#include <vector>

#include "core/session/free_memory.h"
#include "core/session/shared_memory.h"
#include "node/process_end.h"
#include "node/session_convert.h"

namespace trtn {
namespace {

uint64_t IdFrom(Napi::Value value) {
  return static_cast<uint64_t>(value.As<Napi::Number>().Int64Value());
}

double MillisecondsOf(std::chrono::steady_clock::time_point time) {
  return std::chrono::duration<double, std::milli>(time.time_since_epoch()).count();
}

}  // namespace

void SessionWaker::Post(Wake wake) const {
  channel->Post([waiting = object, wake](Napi::Env env) {
    const std::shared_ptr<SessionObject> session = waiting.lock();
    if (session == nullptr) return;
    if (wake == Wake::kSoon) {
      session->Soon(env);
    } else {
      session->Drain(env);
    }
  });
}

SessionObject::SessionObject(std::shared_ptr<SessionHost> host, std::shared_ptr<Session> session)
    : host_(std::move(host)), session_(std::move(session)) {
  host_->Add(this);
}

SessionObject::~SessionObject() {
  host_->Remove(this);
  if (session_ == nullptr) return;
  // Collected without having been released: nothing is pending, and freeing takes a while.
  auto holder = std::make_shared<std::shared_ptr<Session>>(std::move(session_));
  try {
    ProcessEnd::Start(std::make_shared<CallControl>(), ProcessEnd::Stopping::kSoon, [holder] {
      holder->reset();
      ReturnFreeMemory();
    });
  } catch (const std::system_error&) {
    // No thread to be had: it is freed on this one, with the holder.
  }
}

Napi::Object SessionObject::Create(Napi::Env env, std::shared_ptr<SessionHost> host,
                                   std::shared_ptr<Session> session,
                                   const std::shared_ptr<SessionWaker>& waker) {
  const auto self = std::make_shared<SessionObject>(std::move(host), std::move(session));
  waker->object = self;
  Napi::Object object = Napi::Object::New(env);
  const auto method = [&](const char* name, auto member) {
    object.Set(name, Napi::Function::New(
                         env,
                         [self, member](const Napi::CallbackInfo& info) {
                           return ((*self).*member)(info);
                         },
                         name));
  };
  method("onDone", &SessionObject::OnDone);
  method("run", &SessionObject::Run);
  method("runSync", &SessionObject::RunSync);
  method("ping", &SessionObject::Ping);
  method("poll", &SessionObject::Poll);
  method("prepare", &SessionObject::Prepare);
  method("prepareSync", &SessionObject::PrepareSync);
  method("loop", &SessionObject::Loop);
  method("profile", &SessionObject::Profile);
  method("layerInformation", &SessionObject::LayerInformation);
  method("lastTimes", &SessionObject::LastTimes);
  method("cancel", &SessionObject::Cancel);
  method("memory", &SessionObject::Memory);
  method("close", &SessionObject::Close);
  return object;
}

void SessionObject::OnDone(const Napi::CallbackInfo& info) {
  on_done_ = Napi::Weak(info[0].As<Napi::Function>());
}

Session& SessionObject::Open(Napi::Env env) const {
  if (session_ == nullptr) {
    ThrowFailure(env, {Error("SESSION_RELEASED", "The session was released",
                             "Open a new session, or release this one after its last run."),
                       {}});
  }
  return *session_;
}

void SessionObject::Pending(Napi::Env env) {
  if (pending_++ > 0) return;
  on_done_.Ref();
  host_->KeepAlive(env);
}

void SessionObject::Settled(Napi::Env env) {
  if (--pending_ > 0) return;
  on_done_.Unref();
  host_->LetGo(env);
}

void SessionObject::Submit(Napi::Env env, Work work) {
  try {
    Open(env).Submit(std::move(work));
  } catch (const Error& error) {
    ThrowFailure(env, {error, {}});
  }
  Pending(env);
}

void SessionObject::Run(const Napi::CallbackInfo& info) {
  Work work;
  work.kind = Work::Kind::kRun;
  work.id = IdFrom(info[0]);
  work.job = JobFrom(Open(info.Env()), info[1], info[2], info[3]);
  Submit(info.Env(), std::move(work));
}

void SessionObject::RunSync(const Napi::CallbackInfo& info) {
  Session& session = Open(info.Env());
  const Job job = JobFrom(session, info[0], info[1], info[2]);
  try {
    session.RunHere(job);
  } catch (const Error& error) {
    ThrowFailure(info.Env(), {error, session.TakeLog()});
  }
}

void SessionObject::Ping(const Napi::CallbackInfo& info) {
  Work work;
  work.id = IdFrom(info[0]);
  work.hold = std::chrono::microseconds(info[1].As<Napi::Number>().Int64Value());
  Submit(info.Env(), std::move(work));
}

void SessionObject::Poll(const Napi::CallbackInfo& info) {
  if (session_ == nullptr) return;
  session_->SetPolling(info[0].As<Napi::Boolean>().Value());
  if (session_->HasCompleted()) Drain(info.Env());
}

void SessionObject::Prepare(const Napi::CallbackInfo& info) {
  Work work;
  work.kind = Work::Kind::kPrepare;
  work.id = IdFrom(info[0]);
  work.shapes = ShapesFrom(Open(info.Env()), info[1]);
  Submit(info.Env(), std::move(work));
}

Napi::Value SessionObject::PrepareSync(const Napi::CallbackInfo& info) {
  Session& session = Open(info.Env());
  const std::vector<Shape> shapes = ShapesFrom(session, info[0]);
  try {
    return ShapeSetObject(info.Env(), *session.PrepareHere(shapes));
  } catch (const Error& error) {
    ThrowFailure(info.Env(), {error, session.TakeLog()});
  }
}

void SessionObject::Loop(const Napi::CallbackInfo& info) {
  Work work;
  work.kind = Work::Kind::kLoop;
  work.id = IdFrom(info[0]);
  work.job = JobFrom(Open(info.Env()), info[1], info[2], info[3]);
  work.loop = LoopOptionsFrom(info[4].As<Napi::Object>());
  Submit(info.Env(), std::move(work));
}

void SessionObject::Profile(const Napi::CallbackInfo& info) {
  Work work;
  work.kind = Work::Kind::kProfile;
  work.id = IdFrom(info[0]);
  work.job = JobFrom(Open(info.Env()), info[1], info[2], info[3]);
  work.loop.iterations = info[4].As<Napi::Number>().Int64Value();
  Submit(info.Env(), std::move(work));
}

Napi::Value SessionObject::LayerInformation(const Napi::CallbackInfo& info) {
  Session& session = Open(info.Env());
  try {
    return Napi::String::New(info.Env(), session.LayerInformation());
  } catch (const Error& error) {
    ThrowFailure(info.Env(), {error, session.TakeLog()});
  }
}

Napi::Value SessionObject::LastTimes(const Napi::CallbackInfo& info) {
  Napi::Array times = Napi::Array::New(info.Env(), 2);
  times.Set(0U, taken_ms_);
  times.Set(1U, done_ms_);
  return times;
}

Napi::Value SessionObject::Cancel(const Napi::CallbackInfo& info) {
  const bool dropped = session_ != nullptr && session_->Cancel(IdFrom(info[0]));
  if (dropped) Settled(info.Env());
  return Napi::Boolean::New(info.Env(), dropped);
}

Napi::Value SessionObject::Memory(const Napi::CallbackInfo& info) {
  Session& session = Open(info.Env());
  try {
    return MemoryObject(info.Env(), session);
  } catch (const Error& error) {
    ThrowFailure(info.Env(), {error, {}});
  }
}

Napi::Value SessionObject::Close(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Open(env);
  JsEnvironment& environment = JsEnvironment::Of(env);
  const uint64_t call =
      environment.Open(env, std::make_shared<CallControl>(), Napi::Function());
  const Napi::Promise promise = environment.PromiseOf(call);
  auto holder = std::make_shared<std::shared_ptr<Session>>(session_);
  environment.Start(env, call, ProcessEnd::Stopping::kSoon,
                    [channel = environment.channel(), call, holder] {
                      (*holder)->Close(false);
                      holder->reset();
                      ReturnFreeMemory();
                      channel->Post([call](Napi::Env js) {
                        JsEnvironment::Of(js).Settle(js, call, js.Undefined());
                      });
                    });
  session_ = nullptr;
  return promise;
}

void SessionObject::Drain(Napi::Env env) {
  if (session_ == nullptr) return;
  std::vector<Completion> completed = session_->TakeCompleted();
  for (Completion& completion : completed) {
    const Napi::HandleScope scope(env);
    const Napi::Function done = on_done_.Value();
    // Before the callback, which may start or release; the handle keeps it alive meanwhile.
    Settled(env);
    const Napi::Value failure =
        completion.failure ? FailureObject(env, *completion.failure) : env.Undefined();
    Napi::Value value = env.Undefined();
    if (completion.shapes != nullptr) value = ShapeSetObject(env, *completion.shapes);
    if (completion.loop != nullptr) value = LoopObject(env, *completion.loop);
    if (completion.layers != nullptr) value = LayersArray(env, *completion.layers);
    taken_ms_ = MillisecondsOf(completion.taken);
    done_ms_ = MillisecondsOf(completion.done);
    done.Call({Napi::Number::New(env, static_cast<double>(completion.id)), failure, value});
  }
}

void SessionObject::Soon(Napi::Env env) {
  if (session_ == nullptr || pending_ == 0) return;
  on_done_.Value().Call({Napi::Number::New(env, 0)});
}

void SessionObject::Abandon() {
  if (session_ == nullptr) return;
  session_->Close(true);
  session_ = nullptr;
}

}  // namespace trtn
