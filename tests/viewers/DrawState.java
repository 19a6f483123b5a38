import J2Ci.jDVInterface;
import java.awt.Dimension;
import java.awt.geom.AffineTransform;
import java.awt.image.BufferedImage;
import java.io.File;
import javax.imageio.ImageIO;
import viewer.presentation.PresentationStateGraphicsHandler;

/** Draws the graphics of a presentation state as DICOMscope does: configuration, state, image, columns, rows, PNG. */
public class DrawState {
  public static void main(String[] given) throws Exception {
    System.loadLibrary("jInterface");
    jDVInterface scope = new jDVInterface(given[0]);
    if (scope.loadPState(given[1], given[2]) != 0) throw new IllegalArgumentException("not loaded");
    int columns = Integer.parseInt(given[3]), rows = Integer.parseInt(given[4]);
    PresentationStateGraphicsHandler graphics = new PresentationStateGraphicsHandler(scope);
    graphics.ps = scope.getCurrentPState();
    graphics.setNewPresentationState(new Dimension(columns, rows));
    BufferedImage picture = new BufferedImage(columns, rows, BufferedImage.TYPE_INT_RGB);
    AffineTransform asItIs = new AffineTransform();
    graphics.drawPaintStructure(picture, asItIs, asItIs, false, 0, false);
    ImageIO.write(picture, "png", new File(given[5]));
    System.exit(0); // the library's threads stay
  }
}
