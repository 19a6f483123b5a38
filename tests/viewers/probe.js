// What OHIF holds and draws, asked inside its page. OHIF gives cornerstone, its renderer, to the window.

const probe = {
  // The viewport that has a segmentation in its scene, if one has.
  overlaid() {
    const viewports = window.cornerstone?.getRenderingEngines().flatMap(engine => engine.getViewports()) ?? [];
    const isOverlay = actor => String(actor.representationUID).includes('Labelmap');
    return viewports.find(viewport => viewport.getActors().some(isOverlay));
  },

  // The segmentations in memory: labels by number, and the label of every pixel of the image.
  segmentations() {
    return cornerstoneTools.segmentation.state.getSegmentations().map(({ segments, representationData }) => {
      const images = representationData.Labelmap.imageIds.map(id => cornerstone.cache.getImage(id));
      return {
        names: Object.values(segments).map(({ segmentIndex, label }) => [segmentIndex, label]),
        planes: images.map(({ rows, columns, voxelManager }) => ({
          rows,
          columns,
          labels: Array.from(voxelManager.getScalarData()),
        })),
      };
    });
  },

  // Red, green and blue on the screen at the centre of every pixel of the image, row by row.
  colours() {
    const viewport = probe.overlaid();
    const imageId = viewport.getImageIds()[0];
    const { rows, columns } = cornerstone.metaData.get('imagePlaneModule', imageId);
    const canvas = viewport.getCanvas();
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const colours = [];
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const world = cornerstone.utilities.imageToWorldCoords(imageId, [column + 0.5, row + 0.5]);
        const [x, y] = viewport.worldToCanvas(world).map(place => Math.floor(place * devicePixelRatio));
        const start = 4 * (y * canvas.width + x);
        colours.push(data[start], data[start + 1], data[start + 2]);
      }
    }
    return colours;
  },

  // Whether a segmentation is on the screen: radiographs are grey.
  isDrawn() {
    if (!probe.overlaid()) return false;
    const colours = probe.colours();
    return colours.some((red, index) => index % 3 === 0 && Math.abs(red - colours[index + 2]) > 40);
  },

  // A segmentation, as it is in memory and on the screen; nothing until it is drawn and stays as it is.
  // One answer: OHIF makes its viewports anew while it starts.
  overlay() {
    const colours = probe.overlaid() ? probe.colours() : [];
    const isDrawn = colours.some((red, index) => index % 3 === 0 && Math.abs(red - colours[index + 2]) > 40);
    const stays = isDrawn && colours.join() === probe.last;
    probe.last = colours.join();
    return stays && { segmentations: probe.segmentations(), colours };
  },

  // The outlines of a report by tracking UID, in the image's coordinates, their values, and the words beside them; nothing
  // until so many are on the screen.
  outlines(count) {
    const drawn = document.querySelectorAll('svg.svg-layer polyline');
    const words = [...document.querySelectorAll('svg.svg-layer tspan')].map(span => span.textContent);
    if (drawn.length < count || words.length < count) return null;
    const all = cornerstoneTools.annotation.state.getAllAnnotations();
    const annotations = all.filter(({ data }) => data.renderableData); // of reports, and not a reader's own
    const points = ({ metadata, data }) =>
      data.renderableData.POLYLINE[0].map(point =>
        cornerstone.utilities.worldToImageCoords(metadata.referencedImageId, point)
      );
    const values = ({ data }) => data.labels.map(({ value }) => value);
    const byUid = give => Object.fromEntries(annotations.map(one => [one.annotationUID, give(one)]));
    return { points: byUid(points), values: byUid(values), words };
  },

  // All words on the page, with one blank between them.
  text() {
    return document.body.innerText.split(/\s+/).join(' ');
  },
};
window.probe = probe;
