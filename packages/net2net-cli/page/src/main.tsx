import { render } from 'preact'
import '@fontsource-variable/inter/wght.css'
import '@fontsource-variable/jetbrains-mono/wght.css'
import './style/base.css'
import './style/shell.css'
import './style/controls.css'
import './style/graph.css'
import './style/card.css'
import './style/details.css'
import './style/grow.css'
import './style/charts.css'
import './style/train.css'
import './style/compare.css'
import './style/runs.css'
import { App } from './app.tsx'
import './runs/recorder.ts'
import { refuseStrayFiles } from './ui/drop.tsx'

refuseStrayFiles()
render(<App />, document.getElementById('app')!)

// Browsers that cannot, or may not, keep the page load it each time.
if (import.meta.env.PROD && 'serviceWorker' in navigator)
  navigator.serviceWorker.register('./service-worker.js').catch(() => undefined)
