/** Preloaded by a test: a process in which the package with the example's data cannot be found. */
import { registerHooks } from 'node:module'

registerHooks({
  resolve(specifier, context, next) {
    if (specifier === 'vega-datasets') throw new Error(`cannot find package '${specifier}'`)
    return next(specifier, context)
  },
})
