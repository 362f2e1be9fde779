export type { ProfileShapes, SessionMemory } from './description.js';
export { type TensorRTProviderOptions, tensorrtProvider } from './graph-provider.js';
export { InferenceSession } from './inference-session.js';
export type { LayerTimes, LoopOptions, LoopTimes } from './loop.js';
export { DeviceTensor, PinnedTensor } from './memory.js';
export type { EngineSource, InferenceSessionOptions, PingOptions } from './options.js';
export type { AnyTensor, Feeds, Fetches, Outputs } from './types.js';
