"""What Tab offers; loaded when it is first pressed."""
