export { checkFeeds, checkFetches, describeValue } from './feeds.js';
export { Lifetime } from './lifetime.js';
export type { ModelSession, RunOptions, ValueMetadata } from './model-session.js';
export { type OnnxRuntimeSessionOptions, openOnnxRuntimeSession } from './onnxruntime-session.js';
export * from './tensorrt/index.js';
