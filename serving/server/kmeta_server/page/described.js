/** A bundle as the page knows it, made of what the server, or the folder, says of it. */

export function described({ name, versions, inputs, parameters }) {
  return {
    name,
    version: versions[0],
    shape: inputs[0].shape.slice(1), // of an image: height, width, channels
    classNames: parameters.class_names,
    unknown: parameters.unknown, // the label of pictures whose score is below the threshold
    threshold: parameters.threshold,
    crop: parameters.crop, // what is taken of a picture, see lanczos.js
    takesPictures: parameters.most_pictures > 0,
    canGrow: parameters.can_grow,
    hasThumbnails: parameters.thumbnails > 0,
    lightBackground: parameters.light_background,
  };
}
