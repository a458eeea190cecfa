/** Python with the packages that a test compares with, where it is installed. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const inClone = (folder: string) =>
  fileURLToPath(new URL(`../../../${folder}/bin/python`, import.meta.url))

/** Current PyTorch with onnx and transformers: `NET2NET_PYTHON`, or what CI installs into `.venv`. */
export const torchPython = pythonWith('torch, onnx', process.env.NET2NET_PYTHON, inClone('.venv'))

/** Keras on TensorFlow: `NET2NET_KERAS_PYTHON`, or what CI installs into `.venv-keras`. */
export const kerasPython = pythonWith(
  'h5py',
  process.env.NET2NET_KERAS_PYTHON,
  inClone('.venv-keras'),
)

/** TensorBoard, which is beside Keras. */
export const tensorBoardPython = pythonWith(
  'tensorboard',
  process.env.NET2NET_KERAS_PYTHON,
  inClone('.venv-keras'),
)

/** The first of these interpreters that can import the modules. Loading them takes seconds: they are only found. */
function pythonWith(
  modules: string,
  ...candidates: readonly (string | undefined)[]
): string | undefined {
  const code = `import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, "${modules}".split(", "))))`
  return candidates.find(
    (python) => python && existsSync(python) && spawnSync(python, ['-c', code]).status === 0,
  )
}

/** Runs a script in a folder; its arguments follow. Returns what it printed. */
export const runPython = (
  python: string,
  script: string,
  folder: string,
  ...args: readonly string[]
): string => run(python, ['-c', script, ...args], folder)

/** The same for a script that is a file, which may import those beside it. PyTorch exports networks faster in it. */
export const runPythonFile = (
  python: string,
  file: string,
  folder: string,
  ...args: readonly string[]
): string => run(python, [quickExports, file, ...args], folder)

/** Runs a script, whose path and arguments follow, in which PyTorch exports networks faster. */
export const quickExports = fileURLToPath(new URL('quick_exports.py', import.meta.url))

/** TensorFlow says little, and has oneDNN's kernels on every processor. */
export const pythonEnvironment = {
  ...process.env,
  KERAS_BACKEND: 'tensorflow',
  TF_CPP_MIN_LOG_LEVEL: '3',
  // By default it has them with AVX-512 alone. Its own have no transposed convolutions with dilations.
  TF_ENABLE_ONEDNN_OPTS: '1',
}

/** What is printed to stderr is in the message of a failure. */
const run = (python: string, args: readonly string[], folder: string): string =>
  execFileSync(python, args, {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: pythonEnvironment,
  })
