import { OptionDefaults } from 'typedoc';

/** @type {import('typedoc').TypeDocOptions} */
export default {
  entryPoints: ['lib/index.ts'],
  out: 'docs/api',
  tsconfig: 'tsconfig.build.json',
  treatWarningsAsErrors: true,
  excludeInternal: true,
  excludePrivate: true,
  excludeExternals: true,
  // A clone has no remote that source links could point to.
  disableSources: true,
  readme: 'none',
  // Generated; @bufbuild/protobuf documents messages.
  intentionallyNotExported: ['lib/onnx/generated/onnx_pb.ts:ModelProto'],
  // The ONNX code that protoc-gen-es writes carries its own tag.
  blockTags: [...OptionDefaults.blockTags, '@generated'],
};
