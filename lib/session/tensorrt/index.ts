export {
  InferenceSession,
  type ProfileShapes,
  type SessionMemory,
} from './inference-session.js';
export type { LoopOptions, LoopTimes } from './loop.js';
export { DeviceTensor, PinnedTensor } from './memory.js';
export type { EngineSource, InferenceSessionOptions } from './options.js';
export type { AnyTensor, Feeds, Fetches, Outputs } from './types.js';
