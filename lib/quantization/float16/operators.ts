/**
 * What ONNX's operators and float16 allow each other; read from the type constraints of the operator
 * sets 7 to 23.
 */

/** Operators of ONNX that take float16, in every version or from the one that {@link SINCE} gives. */
const HALF = new Set(
  `Abs Acos Acosh Add Asin Asinh Atan Atanh Attention ArgMax ArgMin AveragePool BatchNormalization
  Cast CastLike Ceil CenterCropPad Clip Col2Im Compress Concat Constant ConstantOfShape Conv
  ConvTranspose Cos Cosh DepthToSpace DequantizeLinear Div Dropout Einsum Elu Equal Erf Exp Expand
  Flatten Floor GRU Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalLpPool
  GlobalMaxPool Greater GreaterOrEqual GridSample GroupNormalization HardSigmoid HardSwish Hardmax
  Identity InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization LeakyRelu Less LessOrEqual
  Log LogSoftmax LpNormalization LpPool MatMul Max MaxPool Mean Min Mish Mod Mul Neg NonZero OneHot
  PRelu Pad Pow QuantizeLinear RMSNormalization RNN Reciprocal ReduceL1 ReduceL2 ReduceLogSum
  ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape
  Resize ReverseSequence RotaryEmbedding Round ScatterElements ScatterND Selu Shape Shrink Sigmoid
  Sign Sin Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum SwiGLU
  Swish Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu Unique Unsqueeze Upsample Where`.split(
    /\s+/,
  ),
);

/** Version from which these operators allow float16. */
const SINCE: Readonly<Record<string, number>> = {
  DequantizeLinear: 19,
  IsInf: 20,
  QuantizeLinear: 19,
};

/**
 * Operators that lose too much in float16: sums over many elements, squares (256² is more than
 * float16 holds), exponentials, coordinates. A mean over the spatial axes is a pool, and none of
 * them.
 */
export const PRECISE: ReadonlySet<string> = new Set([
  ...['ReduceL1', 'ReduceL2', 'ReduceLogSum', 'ReduceLogSumExp', 'ReduceMean', 'ReduceProd'],
  ...['ReduceSum', 'ReduceSumSquare', 'Pow', 'Exp', 'Log', 'LogSoftmax', 'LpNormalization'],
  ...['GlobalLpPool', 'GridSample', 'LpPool', 'LRN'],
]);

/** Element by element: one of these between float operators fuses with them. */
export const POINTWISE: ReadonlySet<string> = new Set([
  ...['Abs', 'Add', 'Ceil', 'Clip', 'Cos', 'Div', 'Elu', 'Equal', 'Erf', 'Exp', 'Floor', 'Gelu'],
  ...['Greater', 'GreaterOrEqual', 'HardSigmoid', 'HardSwish', 'IsInf', 'IsNaN', 'LeakyRelu'],
  ...['Less', 'LessOrEqual', 'Log', 'Max', 'Mean', 'Min', 'Mish', 'Mod', 'Mul', 'Neg', 'PRelu'],
  ...['Pow', 'Reciprocal', 'Relu', 'Round', 'Selu', 'Sigmoid', 'Sign', 'Sin', 'Softplus'],
  ...['Softsign', 'Sqrt', 'Sub', 'Sum', 'Swish', 'Tan', 'Tanh', 'ThresholdedRelu', 'Where'],
]);

/** Operators that only move elements: they go with what is around them. */
export const MOVERS: ReadonlySet<string> = new Set([
  ...['Cast', 'Concat', 'DepthToSpace', 'Dropout', 'Expand', 'Flatten', 'Gather'],
  ...['GatherElements', 'GatherND', 'Identity', 'Pad', 'Reshape', 'Slice', 'SpaceToDepth'],
  ...['Split', 'Squeeze', 'Tile', 'Transpose', 'Unsqueeze'],
]);

/** Operators that read either width and whose result does not depend on it. */
const ANY_INPUT: ReadonlySet<string> = new Set(['Cast', 'Shape', 'Size']);

/** Whether ONNX allows an operator on float16 at that version; `undefined` when it is not known. */
export function allowsHalf(opType: string, opset: number): boolean | undefined {
  if (HALF.has(opType)) return opset >= (SINCE[opType] ?? 0);
  return FLOAT_ONLY.has(opType) ? false : undefined;
}

/** Operators of ONNX without float16 (and those whose versions with it are newer than 23). */
const FLOAT_ONLY = new Set([
  ...['Celu', 'CumSum', 'DynamicQuantizeLinear', 'NonMaxSuppression', 'QLinearConv'],
  ...['QLinearMatMul', 'Range', 'TfIdfVectorizer', 'MelWeightMatrix', 'MeanVarianceNormalization'],
  ...['RoiAlign', 'MaxRoiPool', 'AffineGrid', 'DFT', 'STFT', 'Det', 'Bernoulli', 'EyeLike'],
  ...['RandomNormal', 'RandomUniform', 'RandomNormalLike', 'RandomUniformLike', 'Multinomial'],
]);

/** Operators whose second input is a scale, which has to stay positive. */
export const SCALED: ReadonlySet<string> = new Set(['QuantizeLinear', 'DequantizeLinear']);

/** Type that an input has in a node that is otherwise float16; `any` when it does not matter. */
export function inputWidth(opType: string, position: number): 'half' | 'float' | 'any' {
  if (ANY_INPUT.has(opType)) return 'any';
  // Scales and regions of interest: the former are float32 in every version.
  if (['Resize', 'Upsample'].includes(opType) && position > 0) return 'float';
  return 'half';
}

/** Whether a result stays float32 in a node that is otherwise half. */
export function isFloatOutput(opType: string, position: number): boolean {
  // Mean and deviation are of the type that the computation has, float32 unless asked otherwise.
  return opType === 'LayerNormalization' && position > 0;
}
