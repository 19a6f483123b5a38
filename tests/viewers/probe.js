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

  // The annotations of a report: in the image's coordinates, by tracking UID.
  outlines() {
    const annotations = cornerstoneTools.annotation.state.getAllAnnotations();
    return Object.fromEntries(
      annotations.map(({ annotationUID, metadata, data }) => [
        annotationUID,
        data.renderableData.POLYLINE[0].map(point =>
          cornerstone.utilities.worldToImageCoords(metadata.referencedImageId, point)
        ),
      ])
    );
  },
};
window.probe = probe;
