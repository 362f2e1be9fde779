#!/usr/bin/env node
// CommonJS, because the size of libuv's pool is read when Node first uses it: an ES module is loaded
// through that very pool, and is too late to set it.
import os = require('node:os');
import v8 = require('node:v8');

process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, os.availableParallelism()));

// Short-lived objects would otherwise be let pile up to 48 MB before they are looked through: a sixth of
// the memory of a calibration of small images, for no time that could be measured.
v8.setFlagsFromString('--semi-space-growth-factor=1');

import('./main.js').catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
