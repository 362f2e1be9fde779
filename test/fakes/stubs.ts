// TensorRT's interfaces have hundreds of pure virtual methods, other ones in each version. The
// fakes implement those that this package calls; for the rest this writes stub classes from the
// headers, `apiv::VBuilder` → `fake::VBuilderStub`, whose methods say their name when called.

const METHOD =
  /^(?:TRT_NODISCARD\s+|TRT_DEPRECATED\s+)*virtual\s+([\s\S]+?)\b(\w+)\s*\(([\s\S]*)\)\s*(const)?\s*(noexcept)?\s*=\s*0$/;

function stubClass(name: string, body: string): string {
  const lines: string[] = [];
  for (const piece of body.split(/;|^(#.*)$/m)) {
    const text = piece?.trim().replace(/^public:\s*/, '');
    if (!text) continue;
    if (text.startsWith('#')) {
      lines.push(text);
      continue;
    }
    const match = METHOD.exec(text);
    if (!match) throw new Error(`Not understood in ${name}: ${text}`);
    const [, result, method, parameters, constant = '', noexcept = ''] = match;
    const type = result!.trim();
    lines.push(
      `  ${type} ${method}(${parameters}) ${constant} ${noexcept} override ` +
        `{ return Missing<${type}>("${name}::${method}"); }`,
    );
  }
  return `class ${name}Stub : public nvinfer1::apiv::${name} {\n public:\n${lines.join('\n')}\n};\n`;
}

/** The text of `stubs.h` for one version's `NvInferImpl.h`. */
export function stubsFromHeader(header: string): string {
  const code = header.replace(/\/\/.*$/gm, '');
  const classes = [...code.matchAll(/^class (V\w+) : public VRoot\s*\{([\s\S]*?)^\};/gm)];
  if (classes.length < 40) throw new Error('The header does not look like NvInferImpl.h');
  return `// Written by stubs.ts.
#pragma once
#include <NvInfer.h>
#include "missing.h"
namespace fake {
using namespace nvinfer1;
${classes.map(([, name, body]) => stubClass(name!, body!)).join('\n')}
}  // namespace fake
`;
}
