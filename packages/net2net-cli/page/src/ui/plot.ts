/** Draws charts by uPlot, which would be a quarter of the script that the page starts with. Loaded with the first chart that comes into view. */
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { type PlottedChart, plotOptions } from './plot-options.ts'

/** A chart in an element. It is drawn anew as its data change. */
export const plot = (chart: PlottedChart, data: uPlot.AlignedData, element: HTMLElement): uPlot =>
  new uPlot(plotOptions(chart), data, element)
