import type { OnnxModel } from '../onnx/index.js';
import type { NamedTensors } from '../tensor.js';

/** What is known of a tensor inside a graph before it runs. */
export interface InnerTensor {
  /** Element type, as {@link GraphProvider} names it: `float32`, `float16`, `int64`… */
  type: string;
  /**
   * Extents as far as they are known: a string stands for one that is not. Absent when not even the
   * number of dims is known.
   */
  shape?: readonly (number | string)[];
}

/** A graph that is ready to run. */
export interface GraphRunner {
  /**
   * Runs the graph once.
   *
   * @param feeds A tensor for every input without a default.
   * @returns Every output of the graph.
   * @throws TensorRTError `INFERENCE_FAILED` in the words of what runs it.
   */
  run(feeds: NamedTensors): Promise<NamedTensors>;
  /** Frees what the graph holds; may be repeated. */
  release(): Promise<void>;
}

/** How a graph is to be run. */
export interface OpenGraphOptions {
  /**
   * Every node is computed as it stands, one after the other. Otherwise nodes may be fused, which
   * changes results by rounding only.
   */
  exact: boolean;
}

/** Something that runs graphs: what calibration needs of ONNX Runtime, or of TensorRT. */
export interface GraphProvider {
  /** Name for reports: `onnxruntime-cpu`. */
  readonly name: string;
  /** Versions of what computes, by package name. */
  versions(): Promise<Record<string, string>>;
  /**
   * Element types and shapes of tensors inside a graph. What is no tensor, or has an element type
   * that the provider cannot hand out, is left out.
   *
   * @param model The model.
   * @param names Tensors that nodes of the main graph make.
   * @throws TensorRTError `MODEL_UNSUPPORTED` when the provider cannot run the model.
   */
  describe(model: OnnxModel, names: readonly string[]): Promise<ReadonlyMap<string, InnerTensor>>;
  /**
   * Makes a graph ready to run.
   *
   * @throws TensorRTError `MODEL_UNSUPPORTED` when the provider cannot run it.
   */
  open(model: OnnxModel, options: OpenGraphOptions): Promise<GraphRunner>;
}
