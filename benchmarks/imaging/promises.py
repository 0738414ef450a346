"""What the tier `controlled` promises to keep, written down for the benchmark from the standards.

Sources: PS3.3 for the types of attributes, PS3.15 Table E.1-1 for what no profile touches, and
PS3.15 Table E.3.10-1 for safe private elements that are numbers. The options are those of the tier:
modified dates, clean descriptors, clean structured content, safe private; the manufacturer stays.
Age, sex, size and weight are neither asked to stay nor to go: it depends on an option.
"""

from __future__ import annotations


def _listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Type 1 or 1C in the classes used here: filled before, so filled after.
TYPE_1 = _listed("""
SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID Modality ImageType Rows Columns
BitsAllocated BitsStored HighBit PixelRepresentation SamplesPerPixel PhotometricInterpretation
PixelData PixelSpacing ImagePositionPatient ImageOrientationPatient FrameOfReferenceUID
RescaleSlope RescaleIntercept ScanningSequence SequenceVariant Units CountsSource SeriesType
NumberOfSlices ImageIndex FrameReferenceTime ActualFrameDuration DecayCorrection
PresentationIntentType PixelIntensityRelationship PixelIntensityRelationshipSign
RegionSpatialFormat RegionDataType RegionFlags RegionLocationMinX0 RegionLocationMinY0
RegionLocationMaxX1 RegionLocationMaxY1 PhysicalUnitsXDirection PhysicalUnitsYDirection
PhysicalDeltaX PhysicalDeltaY CompletionFlag VerificationFlag ValueType ContinuityOfContent
RelationshipType ContentDate ContentTime StructureSetLabel ROINumber ReferencedFrameOfReferenceUID
ContourGeometricType NumberOfContourPoints ContourData ReferencedROINumber ObservationNumber
RTPlanLabel RTPlanGeometry DoseUnits DoseType DoseSummationType DoseGridScaling ContentLabel
SegmentNumber SegmentLabel SegmentAlgorithmType SegmentationType ReferencedSOPClassUID
ReferencedSOPInstanceUID CodeValue CodeMeaning CodingSchemeDesignator NumericValue
MIMETypeOfEncapsulatedDocument EncapsulatedDocument BurnedInAnnotation ConversionType
NumberOfWaveformChannels NumberOfWaveformSamples SamplingFrequency WaveformData
WaveformBitsAllocated
""")
# Type 2: there, if only empty.
TYPE_2 = _listed("""
PatientName PatientID PatientBirthDate PatientSex StudyDate StudyTime AccessionNumber StudyID
ReferringPhysicianName SeriesNumber InstanceNumber Manufacturer KVP SliceThickness ROIName
StructureSetDate DocumentTitle AcquisitionNumber PositionReferenceIndicator
""")
# No profile speaks of these numbers and codes: a curator leaves them as they are.
KEPT = _listed("""
SOPClassUID Modality ImageType Manufacturer Rows Columns BitsAllocated BitsStored HighBit
PixelRepresentation SamplesPerPixel PhotometricInterpretation PixelSpacing ImagePositionPatient
ImageOrientationPatient SliceThickness SliceLocation SpacingBetweenSlices KVP XRayTubeCurrent
ExposureTime Exposure GantryDetectorTilt TableHeight RotationDirection DataCollectionDiameter
ReconstructionDiameter DistanceSourceToDetector DistanceSourceToPatient FocalSpots GeneratorPower
WindowCenter WindowWidth RescaleSlope RescaleIntercept SmallestImagePixelValue
LargestImagePixelValue InstanceNumber SeriesNumber AcquisitionNumber ImagesInAcquisition
ScanningSequence SequenceVariant ScanOptions MRAcquisitionType RepetitionTime EchoTime
InversionTime NumberOfAverages ImagingFrequency EchoNumbers MagneticFieldStrength EchoTrainLength
PercentSampling PercentPhaseFieldOfView PixelBandwidth FlipAngle NumberOfPhaseEncodingSteps
InPlanePhaseEncodingDirection AcquisitionMatrix SAR ImagedNucleus BodyPartExamined PatientPosition
ViewPosition ImageLaterality Units CountsSource SeriesType NumberOfSlices ImageIndex
FrameReferenceTime ActualFrameDuration DecayCorrection RadionuclideTotalDose RadionuclideHalfLife
PresentationIntentType PixelIntensityRelationship RegionSpatialFormat RegionDataType
RegionLocationMinX0 RegionLocationMinY0 RegionLocationMaxX1 RegionLocationMaxY1
PhysicalUnitsXDirection PhysicalUnitsYDirection PhysicalDeltaX PhysicalDeltaY CompletionFlag
VerificationFlag ValueType ContinuityOfContent RelationshipType NumericValue ROINumber
ContourGeometricType NumberOfContourPoints ContourData ReferencedROINumber ObservationNumber
RTROIInterpretedType RTPlanGeometry DoseUnits DoseType DoseSummationType DoseGridScaling
GridFrameOffsetVector NumberOfFrames SegmentNumber SegmentAlgorithmType SegmentationType
MIMETypeOfEncapsulatedDocument ConversionType NumberOfWaveformChannels SamplingFrequency
ReferencedSOPClassUID
""")
# Sequences in which that holds too. Whatever else lies deeper is only asked to lose identifiers.
OPEN_SEQUENCES = _listed("""
SequenceOfUltrasoundRegions ContentSequence MeasuredValueSequence MeasurementUnitsCodeSequence
ConceptNameCodeSequence ConceptCodeSequence ReferencedSOPSequence
RadiopharmaceuticalInformationSequence
ReferencedFrameOfReferenceSequence RTReferencedStudySequence RTReferencedSeriesSequence
ContourImageSequence StructureSetROISequence ROIContourSequence ContourSequence
RTROIObservationsSequence ReferencedStructureSetSequence ReferencedRTPlanSequence SegmentSequence
SegmentedPropertyCategoryCodeSequence SegmentedPropertyTypeCodeSequence ReferencedSeriesSequence
ReferencedInstanceSequence PerFrameFunctionalGroupsSequence SharedFunctionalGroupsSequence
DerivationImageSequence SourceImageSequence PixelMeasuresSequence PlanePositionSequence
PlaneOrientationSequence SegmentIdentificationSequence WaveformSequence
CurrentRequestedProcedureEvidenceSequence
""")
# Concepts of a report that tell of people, places and devices: their items may go or be emptied.
CONTEXT_CONCEPTS = _listed(
    "121008 121009 121010 121012 121029 121030 121031 121032 121033 121036 128774"
)
# Creator, group, element: numbers of Table E.3.10-1.
SAFE_PRIVATE = frozenset(
    {
        ("SIEMENS MR HEADER", 0x0019, 0x0C),
        ("SIEMENS MR HEADER", 0x0019, 0x0E),
        ("SIEMENS MR HEADER", 0x0019, 0x27),
        ("GEMS_ACQU_01", 0x0019, 0x23),
        ("GEMS_ACQU_01", 0x0019, 0x24),
        ("GEMS_ACQU_01", 0x0019, 0x27),
        ("GEMS_SERS_01", 0x0025, 0x07),
        ("GEMS_PARM_01", 0x0043, 0x39),
        ("GEMS_PARM_01", 0x0043, 0x6F),
        ("GEMS_HELIOS_01", 0x0045, 0x01),
        ("ELSCINT1", 0x00E1, 0x21),
        ("ELSCINT1", 0x00E1, 0x50),
        ("ELSCINT1", 0x01F1, 0x07),
        ("ELSCINT1", 0x01F1, 0x26),
        ("ELSCINT1", 0x01F1, 0x27),
        ("Philips Imaging DD 001", 0x2001, 0x03),
        ("Philips MR Imaging DD 001", 0x2005, 0x0D),
        ("Philips MR Imaging DD 001", 0x2005, 0x0E),
        ("Philips PET Private Group", 0x7053, 0x00),
        ("Philips PET Private Group", 0x7053, 0x09),
    }
)
