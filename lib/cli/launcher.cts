#!/usr/bin/env node
// CommonJS, because the size of libuv's pool is read when Node first uses it: an ES module is loaded
// through that very pool, and is too late to set it.
import os = require('node:os');

process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, os.availableParallelism()));

import('./main.js').catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
