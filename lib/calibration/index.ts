export * from './meta.js';
export * from './ranges.js';
