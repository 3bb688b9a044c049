/** The webcam. */

export class Camera {
  constructor(video) {
    this.video = video;
  }

  /** Show what it sees. */
  async start() {
    if (!navigator.mediaDevices) {
      throw new Error("A webcam needs localhost or https, which this page has not come by.");
    }
    try {
      const wanted = { video: { facingMode: { ideal: "environment" } } };
      this.video.srcObject = await navigator.mediaDevices.getUserMedia(wanted);
    } catch (error) {
      throw new Error(`There is no webcam to use: ${error.message}`);
    }
    await this.video.play();
  }

  stop() {
    this.video.srcObject?.getTracks().forEach((track) => track.stop());
    this.video.srcObject = null;
  }

  /** What it sees now, as a file. */
  async file(name) {
    const canvas = document.createElement("canvas");
    canvas.width = this.video.videoWidth;
    canvas.height = this.video.videoHeight;
    canvas.getContext("2d").drawImage(this.video, 0, 0);
    const blob = await new Promise((done) => canvas.toBlob(done));
    return new File([blob], name, { type: "image/png" });
  }
}
