export * from './meta.js';
export * from './ranges.js';
export * from './tables/index.js';
